export const trouble = true;

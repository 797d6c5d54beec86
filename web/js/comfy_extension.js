// @ts-check
/** What ComfyUI's palette, menus, keys and settings hold of E3, in the shapes that registerExtension takes. */

import { STRINGS } from "./strings.js";

export const NOTIFY = "E3.Notify";
export const UNDO_SECONDS = "E3.UndoSeconds";

const UNDO = { least: 3, usual: 8, most: 120 };

/**
 * @typedef {object} Deeds
 * @property {() => void} show
 * @property {() => Promise<void>} togglePause
 * @property {() => void} submit
 * @property {() => void} openPage
 * @property {() => void} askPermission to show notifications
 */

/**
 * @param {Deeds} deeds
 * @returns {{commands: any[], menuCommands: any[], keybindings: any[], settings: any[]}}
 */
export function comfyParts(deeds) {
  const commands = [
    { id: "E3.Open", icon: "pi pi-list-check", function: () => deeds.show() },
    { id: "E3.TogglePause", icon: "pi pi-pause", function: () => deeds.togglePause() },
    { id: "E3.Submit", icon: "pi pi-upload", function: () => deeds.submit() },
    { id: "E3.OpenPage", icon: "pi pi-external-link", function: () => deeds.openPage() },
  ].map((command) => ({ ...command, label: STRINGS.commands[command.id] }));
  return {
    commands,
    menuCommands: [{ path: ["Extensions", "E3"], commands: commands.map(({ id }) => id) }],
    keybindings: [
      { combo: { key: "e", alt: true, shift: true }, commandId: "E3.Open" },
      { combo: { key: "p", alt: true, shift: true }, commandId: "E3.TogglePause" },
    ],
    settings: settingsOf(deeds),
  };
}

/**
 * @param {Deeds} deeds
 * @returns {any[]}
 */
function settingsOf(deeds) {
  return [
    {
      ...STRINGS.settings[NOTIFY],
      id: NOTIFY,
      category: ["E3", "Queue", "Notify"],
      type: "boolean",
      defaultValue: false,
      onChange: (/** @type {boolean} */ isOn, /** @type {boolean | undefined} */ before) => {
        // ComfyUI tells a kept value when it starts, with nothing before it: nobody has clicked then.
        if (isOn && before !== undefined) deeds.askPermission();
      },
    },
    {
      ...STRINGS.settings[UNDO_SECONDS],
      id: UNDO_SECONDS,
      category: ["E3", "Queue", "UndoSeconds"],
      type: "number",
      defaultValue: UNDO.usual,
      attrs: { min: UNDO.least, max: UNDO.most, step: 1, showButtons: true },
    },
  ];
}

/**
 * @param {unknown} seconds as the settings keep them, which anybody may have edited
 * @returns {number}
 */
export function undoMs(seconds) {
  const wanted = typeof seconds === "number" && Number.isFinite(seconds) ? seconds : UNDO.usual;
  return 1_000 * Math.min(UNDO.most, Math.max(UNDO.least, wanted));
}

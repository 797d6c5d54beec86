// @ts-check
/** All elements of the panel, for whoever defines them: ComfyUI's tab or the full page. */

import { BannerElement } from "./banner.js";
import { BulkBarElement } from "./bulk_bar.js";
import { CausesElement } from "./causes.js";
import { FiltersElement } from "./filters.js";
import { HeaderElement } from "./header.js";
import { JobDetailsElement } from "./job_details.js";
import { JobListElement } from "./job_list.js";
import { JobRowElement } from "./job_row.js";
import { MenuElement } from "./menu.js";
import { NowStripElement } from "./now_strip.js";
import { PanelElement } from "./panel.js";
import { RejectionsElement } from "./rejections.js";
import { TabsElement } from "./tabs.js";
import { ToastsElement } from "./toasts.js";

/** Define each element, once. */
export function defineElements() {
  const parts = [
    BannerElement,
    BulkBarElement,
    CausesElement,
    FiltersElement,
    HeaderElement,
    JobDetailsElement,
    JobListElement,
  ];
  const others = [
    JobRowElement,
    MenuElement,
    NowStripElement,
    RejectionsElement,
    TabsElement,
    ToastsElement,
    PanelElement,
  ];
  for (const element of [...parts, ...others]) element.define();
}

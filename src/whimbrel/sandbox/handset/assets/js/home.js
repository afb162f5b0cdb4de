/** The list of phones. */

import { follow } from "./live.js";
import { localise } from "./times.js";

localise(document);
follow(document.querySelector("main").dataset.live, null);

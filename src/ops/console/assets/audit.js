// The last audit of the stored data, which `splitcart audit` does and this service only tells of.

import { showFacts } from "./checkout.js";
import { inWords, number, words } from "./format.js";

export function showAudit({ audit, at_ms: now }) {
  showFacts(document.getElementById("audit"), facts(audit, now));
}

function facts(audit, now) {
  if (!audit) return [["Ended", "unknown: ops.audit_file is not set"]];
  if (audit.problem !== null) return [["Ended", `unknown: ${audit.problem}`, true]];
  const broken = audit.broken.map(({ name, value }) => [`Rows that break ${words(name)}`, number(value), true]);
  return [
    ["Ended", `${inWords(Math.max(0, now - audit.ended_at_ms))} ago`],
    ["Rules", number(audit.rules)],
    ...(broken.length > 0 ? broken : [["Rows that break one", "0"]]),
  ];
}

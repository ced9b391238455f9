// Writes each dashboard of a rendered stack as typed constants, for the TypeScript compiler: the
// dashboard itself, and each panel's options and field settings by the types of its plugin.
import { readFileSync, writeFileSync } from "node:fs";

const PLUGINS = ["timeseries", "stat", "gauge", "table", "logs"];
// Plugins whose field settings have a type of their own.
const FIELDS = { timeseries: "FieldConfig", table: "FieldConfig" };
// The types of queries, whose names the package spells in two ways.
const QUERIES = { prometheus: "Dataquery", loki: "dataquery" };
const sdk = "@grafana/grafana-foundation-sdk";

const boards = JSON.parse(readFileSync(process.argv[2], "utf8"));
let out = `import type * as dashboard from "${sdk}/dashboard";\n`;
for (const plugin of [...PLUGINS, ...Object.keys(QUERIES)]) out += `import type * as ${plugin} from "${sdk}/${plugin}";\n`;
// As JSON has it: an enumeration is one of its texts, and every field may be left out.
out += `type Json<T> = T extends string ? \`\${T}\` : T extends (infer U)[] ? Json<U>[]
  : T extends object ? { [K in keyof T]?: Json<T[K]> } : T;\n`;
let count = 0;
for (const board of boards) {
  count += 1;
  // The dashboard's type knows nothing of the queries, which are of their data sources.
  for (const panel of board.panels) {
    for (const [index, target] of (panel.targets ?? []).entries()) {
      const name = `d${count}p${panel.id}q${index}`;
      const source = target.datasource.type;
      const type = `${source}.${QUERIES[source]}`;
      out += `export const ${name}: Json<${type}> = ${JSON.stringify(target)};\n`;
    }
    delete panel.targets;
  }
  out += `export const d${count}: Json<dashboard.Dashboard> = ${JSON.stringify(board)};\n`;
  for (const panel of board.panels) {
    if (!PLUGINS.includes(panel.type)) continue;
    const name = `d${count}p${panel.id}`;
    out += `export const ${name}: Json<${panel.type}.Options> = ${JSON.stringify(panel.options ?? {})};\n`;
    const custom = panel.fieldConfig?.defaults?.custom;
    if (custom && FIELDS[panel.type]) {
      const type = `${panel.type}.${FIELDS[panel.type]}`;
      out += `export const ${name}f: Json<${type}> = ${JSON.stringify(custom)};\n`;
    }
  }
}
writeFileSync("dashboards.ts", out);
console.log(`${boards.length} dashboards`);

// What is published of prometheus-operator's kinds, as TypeScript types, against what the tests hold:
// each object of the fixtures fits them, and fields.txt lists every field that they have.
import { readFileSync, writeFileSync } from "node:fs";
import ts from "typescript";
import { parseAllDocuments } from "yaml";

const [fixtures, write] = process.argv.slice(2);
const KINDS = { ServiceMonitor: "v1", PodMonitor: "v1", Probe: "v1", ScrapeConfig: "v1alpha1", PrometheusRule: "v1" };
const FOLDER = "./node_modules/@kubernetes-models/prometheus-operator/monitoring.coreos.com";

let source = "";
for (const [kind, version] of Object.entries(KINDS)) {
  source += `import type { I${kind} } from "${FOLDER}/${version}/${kind}.js";\n`;
}
let objects = 0;
for (const file of ["monitors.yaml", "rules.yaml"]) {
  for (const document of parseAllDocuments(readFileSync(`${fixtures}/${file}`, "utf8"))) {
    const object = document.toJS();
    if (!object) continue;
    source += `export const object${objects++}: I${object.kind} = ${JSON.stringify(object)};\n`;
  }
}
for (const kind of Object.keys(KINDS)) source += `export declare const type${kind}: NonNullable<I${kind}["spec"]>;\n`;
writeFileSync("objects.ts", source);

const program = ts.createProgram(["objects.ts"], {
  strict: true, skipLibCheck: true, noEmit: true,
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
});
const wrong = ts.getPreEmitDiagnostics(program);
for (const one of wrong) {
  const line = one.file ? `${one.file.fileName}:${one.file.getLineAndCharacterOfPosition(one.start).line + 1}: ` : "";
  console.error(line + ts.flattenDiagnosticMessageText(one.messageText, "\n"));
}

const checker = program.getTypeChecker();

// Every field below a type, as `spec.endpoints[].port`; what `closed` names is not entered.
function* fields(type, path, closed) {
  const given = checker.getNonNullableType(type);
  if (given.isUnion()) {
    for (const one of given.types) yield* fields(one, path, closed);
  } else if (checker.isArrayType(given)) {
    yield* fields(checker.getTypeArguments(given)[0], `${path}[]`, closed);
  } else if (given.flags & ts.TypeFlags.Object) {
    for (const property of checker.getPropertiesOfType(given)) {
      const field = `${path}.${property.name}`;
      yield field;
      if (!closed.has(field)) yield* fields(checker.getTypeOfSymbol(property), field, closed);
    }
  }
}

const list = readFileSync(`${fixtures}/fields.txt`, "utf8").trim().split("\n").map((line) => line.split(" "));
// Nothing is said of what is below a field that is not read.
const closed = new Set(list.filter(([, word]) => word && word !== "read").map(([field]) => field));
const published = new Set();
ts.forEachChild(program.getSourceFile("objects.ts"), (node) => {
  if (!ts.isVariableStatement(node)) return;
  const { name } = node.declarationList.declarations[0];
  if (!name.text.startsWith("type")) return;
  const type = checker.getTypeAtLocation(name);
  for (const field of fields(type, `${name.text.slice(4)}.spec`, closed)) published.add(field);
});
if (write) {
  writeFileSync(`${fixtures}/fields.txt`, [...published].sort().join("\n") + "\n");
  process.exit(0);
}
const listed = new Set(list.map(([field]) => field));
const missing = [...published].filter((field) => !listed.has(field));
const gone = [...listed].filter((field) => !published.has(field));
for (const field of missing) console.error(`fields.txt does not have ${field}`);
for (const field of gone) console.error(`${field} of fields.txt is not published`);
if (wrong.length + missing.length + gone.length > 0) process.exit(1);
console.log(`${objects} objects and ${published.size} fields fit prometheus-operator's types`);

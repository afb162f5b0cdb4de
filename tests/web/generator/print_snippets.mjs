// Prints every snippet of the request that comes in, as a JSON object. For `test_snippets.py`.

import { readFileSync } from "node:fs";

const { SNIPPETS } = await import(`${process.env.GENERATOR_MODULES}/snippets.js`);
const { request, url } = JSON.parse(readFileSync(0, "utf-8"));
const snippets = Object.entries(SNIPPETS).map(([name, write]) => [name, write(request, url)]);
console.log(JSON.stringify(Object.fromEntries(snippets)));

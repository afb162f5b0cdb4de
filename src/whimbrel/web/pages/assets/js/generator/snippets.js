// A request as programs that send it. No program has the password: each reads it from its environment.

import { Raw, escaped, java as inJava, javaBlock, nested, php as inPhp, shell } from "./literals.js";

/** The environment variable that has the password. */
export const VARIABLE = "WHIMBREL_PASSWORD";
const PLACEHOLDER = "********";

/** JSON as people read it, without the password. */
export function json(request) {
  return JSON.stringify("password" in request ? { ...request, password: PLACEHOLDER } : request, null, 2);
}

/** JSON with the password, for the one who copies it. */
export function jsonWithPassword(request) {
  return JSON.stringify(request, null, 2);
}

export function curl(request, url) {
  const [before, after] = aroundPassword(request);
  const password = `"$(printf %s "$${VARIABLE}" | sed 's/[\\\\"]/\\\\&/g')"`;
  return `# export ${VARIABLE}=...
curl --silent --show-error ${shell(url)} \\
  --header 'Content-Type: application/json' \\
  --data-binary ${shell(`${before}"`)}${password}${shell(`"${after}`)}
`;
}

export function python(request, url) {
  const literal = nested(withPassword(request, `os.environ["${VARIABLE}"]`), {
    text: escaped, word: (value) => (value ? "True" : "False"), open: "{", close: "}", colon: ": ", indent: "    ",
  });
  return `# ${VARIABLE}=... python3 send.py
import json
import os
import urllib.error
import urllib.request

message = ${literal}
request = urllib.request.Request(
    ${escaped(url)},
    data=json.dumps(message).encode(),
    headers={"Content-Type": "application/json"},
)
try:
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(json.load(answer)["mtNum"])
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
`;
}

export function php(request, url) {
  const literal = nested(withPassword(request, `getenv('${VARIABLE}')`), {
    text: inPhp, word: String, open: "[", close: "]", colon: " => ", indent: "    ",
  });
  return `<?php // ${VARIABLE}=... php send.php
$message = ${literal};
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => 'Content-Type: application/json',
    'content' => json_encode($message, JSON_THROW_ON_ERROR),
    'timeout' => 10,
    'ignore_errors' => true, // the body tells what is wrong
]]);
echo file_get_contents(${inPhp(url)}, false, $context), "\\n";
`;
}

export function javascript(request, url) {
  const literal = nested(withPassword(request, `process.env.${VARIABLE}`), {
    text: escaped, word: String, open: "{", close: "}", colon: ": ", indent: "  ",
  });
  return `// ${VARIABLE}=... node send.mjs
const message = ${literal};
const answer = await fetch(${escaped(url)}, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(message),
  signal: AbortSignal.timeout(10_000),
});
console.log(answer.status, await answer.json());
`;
}

export function java(request, url) {
  const [before, after] = aroundPassword(request).map((part) => indented(javaBlock(part), 16));
  return `// ${VARIABLE}=... java Send.java
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

public class Send {
    public static void main(String[] arguments) throws Exception {
        String message = """
${before}""" + quoted(System.getenv("${VARIABLE}")) + """
${after}
                """;
        HttpRequest request = HttpRequest.newBuilder(URI.create(${inJava(url)}))
                .version(HttpClient.Version.HTTP_1_1)
                .timeout(Duration.ofSeconds(10))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(message))
                .build();
        HttpResponse<String> answer = HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body());
    }

    static String quoted(String text) {
        return '"' + text.replace("\\\\", "\\\\\\\\").replace("\\"", "\\\\\\"") + '"';
    }
}
`;
}

function indented(text, by) {
  return text.replaceAll(/^/gm, " ".repeat(by));
}

function withPassword(request, code) {
  return { login: request.login ?? "", password: new Raw(code), ...without(request) };
}

/** The JSON before and after the password's value, which stands behind the login. */
function aroundPassword(request) {
  const before = `{\n  "login": ${JSON.stringify(request.login ?? "")},\n  "password": `;
  const rest = JSON.stringify(without(request), null, 2).slice(1);
  return [before, `,${rest}`];
}

function without({ login, password, ...others }) {
  return others;
}

/** Every kind of snippet, by the name of its tab. */
export const SNIPPETS = { json, curl, python, php, javascript, java };

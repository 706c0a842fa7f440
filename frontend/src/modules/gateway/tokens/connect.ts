/** How programs are told about us: samples of code, and what goes into the fields of clients. */

export interface Place {
  /** The origin without a path, and the base URL with /v1. */
  baseUrl: string;
  key: string;
  model: string;
}

export interface Sample {
  name: string;
  code: string;
}

/** The same call in several languages and frameworks. */
export function samplesOf({ baseUrl, key, model }: Place): Sample[] {
  return [
    {
      name: "curl",
      code: `curl ${baseUrl}/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}",
       "messages": [{"role": "user", "content": "Say hello."}]}'`,
    },
    {
      name: "Python",
      code: `# pip install openai
from openai import OpenAI

client = OpenAI(base_url="${baseUrl}", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.choices[0].message.content)`,
    },
    {
      name: "JavaScript",
      code: `// npm install openai
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${baseUrl}", apiKey: "${key}" });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Say hello." }],
});
console.log(answer.choices[0].message.content);`,
    },
    {
      name: "LangChain",
      code: `# pip install langchain-openai
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="${model}", base_url="${baseUrl}", api_key="${key}")
print(model.invoke("Say hello.").content)`,
    },
    {
      name: "Continue",
      code: `# ~/.continue/config.yaml, below "models:"
- name: ${model}
  provider: openai
  model: ${model}
  apiBase: ${baseUrl}
  apiKey: ${key}
  roles: [chat, edit, apply]`,
    },
    { name: ".env", code: `OPENAI_BASE_URL=${baseUrl}\nOPENAI_API_KEY=${key}` },
  ];
}

export interface Client {
  name: string;
  /** Where its form is, in the client's own words. */
  where: string;
  /** Fields as the client names them, and what goes in. */
  fields: readonly (readonly [label: string, value: string])[];
}

/** Clients with a form: which value goes where. */
export function clientsOf({ baseUrl, key, model }: Place): Client[] {
  const host = baseUrl.replace(/\/v1$/, "");
  return [
    {
      name: "Cherry Studio",
      where: "Settings › Model Provider › Add › OpenAI",
      fields: [
        ["API Key", key],
        ["API Host", host],
        ["Model ID", model],
      ],
    },
    {
      name: "Open WebUI",
      where: "Admin Panel › Settings › Connections › OpenAI API",
      fields: [
        ["URL", baseUrl],
        ["API Key", key],
      ],
    },
    {
      name: "Cline",
      where: "Settings › API Configuration › OpenAI Compatible",
      fields: [
        ["Base URL", baseUrl],
        ["OpenAI Compatible API Key", key],
        ["Model ID", model],
      ],
    },
    {
      name: "Chatbox",
      where: "Settings › Model Provider › Add › OpenAI API Compatible",
      fields: [
        ["API Host", host],
        ["API Key", key],
        ["Model", model],
      ],
    },
  ];
}

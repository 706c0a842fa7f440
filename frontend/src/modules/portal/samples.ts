/** The first call in three languages, for an address, a token and a model. */
export function samples(origin: string, token: string, model: string) {
  return [
    {
      name: "curl",
      code: `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer ${token}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}",
       "messages": [{"role": "user", "content": "Say hello."}]}'`,
    },
    {
      name: "Python",
      code: `from openai import OpenAI
client = OpenAI(base_url="${origin}/v1", api_key="${token}")
messages = [{"role": "user", "content": "Say hello."}]
answer = client.chat.completions.create(model="${model}", messages=messages)
print(answer.choices[0].message.content)`,
    },
    {
      name: "JavaScript",
      code: `import OpenAI from "openai";
const client = new OpenAI({ baseURL: "${origin}/v1", apiKey: "${token}" });
const messages = [{ role: "user", content: "Say hello." }];
const answer = await client.chat.completions.create({ model: "${model}", messages });
console.log(answer.choices[0].message.content);`,
    },
  ];
}

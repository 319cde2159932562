// What the service says of itself in its OpenAPI document: its actions, its app, and what rules open.

import { describe } from "./api.js";

const ANY_APP = "dozen"; // where the service has no id of its own

let described = null;

/** Return {actions, namespaces, app}: the actions by name, each with an example of its body; fetched once for each who signs in. */
export async function description() {
  described ??= (async () => {
    const { paths, components, "x-dozen-namespaces": namespaces = [] } = await describe();
    const named = Object.entries(paths).flatMap(([path, { post }]) => {
      const name = /\/action\/(\w+)$/.exec(path)?.[1];
      return name && post ? [[name, { summary: post.summary ?? "", example: exampleOf(post) }]] : [];
    });
    return { actions: new Map(named), namespaces, app: components?.parameters?.app_id?.example };
  })();
  try {
    return await described;
  } catch (error) {
    described = null;
    throw error;
  }
}

/** Return the id of the app whose path programs call. */
export async function appId() {
  const { app } = await description().catch(() => ({}));
  return app || ANY_APP;
}

/** Forget what was fetched: somebody else signs in. */
export function forgetDescription() {
  described = null;
}

function exampleOf(post) {
  const content = post.requestBody?.content?.["application/json"] ?? {};
  return content.example ?? Object.values(content.examples ?? {})[0]?.value ?? {};
}

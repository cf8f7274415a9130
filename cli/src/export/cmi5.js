// Between the page and a learning management system that speaks cmi5 (Quartz, 1st Edition): statements to its record store.
// Started without one, the page starts as always.
import { follow, restore, start, text } from "./kept.js";

const XAPI = { "X-Experience-API-Version": "1.0.3", "Content-Type": "application/json" };
const CATEGORY = "https://w3id.org/xapi/cmi5/context/categories/";
const VERB = "http://adlnet.gov/expapi/verbs/";
// What a browser still sends while a page ends.
const MOST = 50000;

const query = new URLSearchParams(location.search);
const endpoint = query.get("endpoint")?.replace(/\/?$/, "/");
const activity = query.get("activityId");
const registration = query.get("registration");
const actor = JSON.parse(query.get("actor") ?? "null");

let authorization = "";
let launch = {};
let said = {};
let open = false;

function call(method, path, parameters, body) {
  const headers = { ...XAPI, Authorization: authorization };
  const search = new URLSearchParams(parameters);
  return fetch(`${endpoint}${path}?${search}`, { method, headers, body: body && JSON.stringify(body), keepalive: method !== "GET" });
}

const state = (stateId) => ({ activityId: activity, agent: JSON.stringify(actor), registration, stateId });

async function document(path, parameters) {
  const answer = await call("GET", path, parameters);
  return answer.ok ? answer.json() : null;
}

// crypto.randomUUID is there only for pages that came over https.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.*)$/, "$1-$2-$3-$4-$5");
}

function statement(verb, categories, result) {
  const context = structuredClone(launch.contextTemplate ?? {});
  context.registration = registration;
  context.contextActivities ??= {};
  const known = context.contextActivities.category ?? [];
  context.contextActivities.category = [...known, ...categories.map((name) => ({ id: CATEGORY + name }))];
  if (result && launch.masteryScore != null && (verb === "passed" || verb === "failed")) {
    context.extensions = { ...context.extensions, "https://w3id.org/xapi/cmi5/context/extensions/masteryscore": launch.masteryScore };
  }
  return {
    id: uuid(), actor, verb: { id: VERB + verb, display: { en: verb } }, object: { objectType: "Activity", id: activity },
    ...(result && { result }), context, timestamp: new Date().toISOString(),
  };
}

// One after the other: the order of statements is part of the standard.
let queue = Promise.resolve();
function send(...made) {
  const body = statement(...made);
  queue = queue.then(() => call("POST", "statements", {}, body)).catch(() => { /* The lesson goes on without. */ });
}

const duration = () => `PT${(performance.now() / 1000).toFixed(2)}S`;

function keep() {
  const body = { said, kept: text(MOST) };
  queue = queue.then(() => call("PUT", "activities/state", state("ringside"), body)).catch(() => {});
}

function report(progress) {
  // Somebody who only looks at it reports nothing.
  if ((launch.launchMode ?? "Normal") !== "Normal") return;
  const scaled = progress.max > 0 ? progress.score / progress.max : null;
  const score = scaled === null ? {} : { score: { scaled, raw: progress.score, min: 0, max: progress.max } };
  const parts = progress.tasks > 0 ? Math.round((100 * progress.done) / progress.tasks) : 0;
  if (parts > (said.progress ?? 0) && !progress.complete) {
    said.progress = parts;
    send("progressed", [], { extensions: { "https://w3id.org/xapi/cmi5/result/extensions/progress": parts } });
  }
  if (!progress.complete) return;
  if (!said.completed) {
    said.completed = true;
    send("completed", ["cmi5", "moveon"], { completion: true, duration: duration() });
  }
  if (!said.passed && (scaled ?? 1) >= (launch.masteryScore ?? 1)) {
    said.passed = true;
    send("passed", ["cmi5", "moveon"], { success: true, ...score, duration: duration() });
  }
}

async function begin() {
  const token = await (await fetch(query.get("fetch"), { method: "POST" })).json();
  if (!token["auth-token"]) throw new Error(token["error-text"] ?? "the system gives no token");
  authorization = `Basic ${token["auth-token"]}`;
  launch = await document("activities/state", state("LMS.LaunchData")) ?? {};
  await document("agents/profile", { agent: JSON.stringify(actor), profileId: "cmi5LearnerPreferences" });
  const before = await document("activities/state", state("ringside"));
  said = before?.said ?? {};
  send("initialized", ["cmi5"]);
  open = true;
  return restore(before?.kept);
}

let resumed = false;
if (endpoint && actor) {
  try { resumed = await begin(); } catch (error) { console.warn(`cmi5: nothing is reported: ${error.message}`); }
}
function end() {
  open = false;
  // There is no time left to wait for one another.
  call("PUT", "activities/state", state("ringside"), { said, kept: text(MOST) }).catch(() => {});
  call("POST", "statements", {}, statement("terminated", ["cmi5"], { duration: duration() })).catch(() => {});
}

if (open) follow({ isOpen: () => open, report, keep, end });
await start(resumed);

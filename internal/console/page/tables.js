export const tables = { name: "tables", title: "Tables", key: "t", show() { return document.createElement("div"); }, update() {} };

export const rows = { name: "rows", title: "Rows", key: "r", show() { return document.createElement("div"); }, update() {} };

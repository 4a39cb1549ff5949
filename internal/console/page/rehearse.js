export const rehearse = { name: "rehearse", title: "Rehearse", key: "r", show() { return document.createElement("div"); }, update() {} };

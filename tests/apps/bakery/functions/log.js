exports = function(...args) { console.log(...args); };

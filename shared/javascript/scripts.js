// Functions whose user a script chooses for each call: the process runs it, and lets them begin then.

const { written } = part("forms");

const chosen = async (frame, args, run) => {
  const shown = written(args);
  frame.isSystem = await asked("user", frame, `{"arguments":${shown}}`);
  return await run(written(args) === shown ? args : meant(shown)); // what a caller made of them since is of no user
};

return { chosen };

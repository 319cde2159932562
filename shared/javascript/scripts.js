// Functions whose user a script chooses for each call: the process runs it, and lets them begin then.

const { written } = part("forms");

const chosen = async (frame, args, run) => {
  frame.isSystem = await asked("user", frame, `{"arguments":${written(args)}}`);
  return await run();
};

return { chosen };

exports = ({ body }) => {
  const { message } = JSON.parse(body.text());
  console.log(message.length);
  return { ok: 1 };
};

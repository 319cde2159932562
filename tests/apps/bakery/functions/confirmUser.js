exports = ({ token, tokenId, username }) => {
  // process the confirm token, tokenId and username
  if (username.endsWith("@bakery.example")) {
    // will confirm the user
    return { status: 'success' };
  } else if (context.values.get("prices") && username.includes("later")) {
    context.functions.execute('log', 'confirm', { token, tokenId, username });
    return { status: 'pending' };
  }
  return { status: 'fail' };
};

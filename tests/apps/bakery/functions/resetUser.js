exports = ({ token, tokenId, username, password, currentPasswordValid }, answer) => {
  if (answer === "bread") {
    return { status: 'success' };
  }
  return { status: 'fail' };
};

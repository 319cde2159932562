exports = async function(text){
  const slug = require("slug");
  return slug(text, { lower: true });
};

exports = function(arg){
  return { system: context.runningAsSystem(), id: context.user.id, points: context.user.custom_data.points, arg };
};

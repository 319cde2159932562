exports = () => ({ date: new Date(1683248523456) });

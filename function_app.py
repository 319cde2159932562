"""The map of the API: registers every function with the FunctionApp."""

import azure.functions as func

from functions import aggregate, delete, fallback, find, health, insert, update
from shared.endpoint import announce

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # callers are authenticated by shared.endpoint

app.register_functions(find.bp)  # findOne, find
app.register_functions(insert.bp)  # insertOne, insertMany
app.register_functions(update.bp)  # updateOne, updateMany, replaceOne
app.register_functions(delete.bp)  # deleteOne, deleteMany
app.register_functions(aggregate.bp)  # aggregate
app.register_functions(health.bp)  # GET /health/live, GET /health/ready
app.register_functions(fallback.bp)  # the actions' other spellings, 404 for every other path

announce()

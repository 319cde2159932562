"""The map of the API: registers every function with the FunctionApp."""

import azure.functions as func

from functions import (
    administer,
    aggregate,
    api_keys,
    bulk_write,
    catalog,
    changes,
    count,
    delete,
    distinct,
    endpoints,
    explain,
    explorer,
    fallback,
    find,
    find_one_and,
    functions_call,
    get_more,
    health,
    insert,
    location,
    login,
    mcp,
    metrics,
    openapi,
    profile,
    registration,
    scheduled,
    schema,
    session,
    transaction,
    update,
)
from shared.service import process
from shared.writes import KINDS

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # callers are authenticated by shared.endpoint

OPERATIONS = (
    find.bp,  # findOne, find
    insert.bp,  # insertOne, insertMany
    update.bp,  # updateOne, updateMany, replaceOne
    delete.bp,  # deleteOne, deleteMany
    aggregate.bp,  # aggregate
    count.bp,  # countDocuments, estimatedDocumentCount
    distinct.bp,  # distinct
    find_one_and.bp,  # findOneAndUpdate, findOneAndReplace, findOneAndDelete
    bulk_write.bp,  # bulkWrite
)
"""What a transaction may be made of; functions of the app come to it, and to the catalog."""

transaction.bp.parts = {name: action for group in OPERATIONS for name, action in group.by_name.items()}
bulk_write.bp.parts = {name: transaction.bp.parts[name] for name in KINDS}
process.actions = {**transaction.bp.parts, **catalog.bp.by_name}
ACTIONS = (
    *OPERATIONS,
    transaction.bp,  # transaction
    get_more.bp,  # getMore
)
get_more.bp.parts = find.bp.by_name | aggregate.bp.by_name
CATALOG = (
    catalog.bp,  # listDatabases, listCollections, listIndexes
    schema.bp,  # getSchema
    explain.bp,  # explain
    changes.bp,  # changes
    administer.bp,  # createIndexes, dropIndexes, createCollection, dropCollection
)
"""What is about databases, collections and indexes."""

for each in (*ACTIONS, *CATALOG):
    app.register_functions(each)
app.register_functions(location.bp)  # GET location, under /api/client/v2.0 like all that follow
app.register_functions(login.bp)  # login with each provider
app.register_functions(session.bp)  # refresh, logout
app.register_functions(profile.bp)  # profile, delete oneself
app.register_functions(registration.bp)  # register, confirm, reset
app.register_functions(api_keys.bp)  # a user's own API keys
app.register_functions(functions_call.bp)  # functions of the app, and MongoDB, as SDKs call it
app.register_functions(endpoints.blueprint((*ACTIONS, *CATALOG)))  # HTTPS endpoints of the app, older webhooks
app.register_functions(scheduled.blueprint())  # a timer for scheduled triggers, where that is on
app.register_functions(explorer.bp)  # GET /explorer, and its files
app.register_functions(health.bp)  # GET /health/live, GET /health/ready
app.register_functions(openapi.blueprint((*ACTIONS, *CATALOG)))  # GET /openapi.json
app.register_functions(mcp.blueprint((*ACTIONS, *CATALOG)))  # POST /mcp, where MCP is on
app.register_functions(metrics.bp)  # GET /metrics, where METRICS_KEY is set
app.register_functions(fallback.blueprint((*ACTIONS, *CATALOG)))  # their other spellings, 404 for every other path

process.start()

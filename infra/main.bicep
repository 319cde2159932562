// Everything that Dozen needs in a resource group of its own, but for the database: `azd up`, or
// az deployment sub create --location LOCATION --template-file infra/main.bicep --parameters infra/main.parameters.json
targetScope = 'subscription'

@description('Names the resource group and, with a unique end, everything in it.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Where everything stands; a region that has Flex Consumption.')
@minLength(1)
param location string

@description('functions: Azure Functions on Flex Consumption. container: the server image on Azure Container Apps.')
@allowed(['functions', 'container'])
param host string = 'functions'

@description('The server image with its tag, where host is container: myregistry.azurecr.io/dozen:1.0.0')
param image string = ''

@description('password: the one in mongoUri. entra: mongoUri has none, the managed identity signs in.')
@allowed(['password', 'entra'])
param mongoAuth string = 'password'

@description('The connection string of the database. It goes into the Key Vault and nowhere else.')
@secure()
@minLength(1)
param mongoUri string

@description('Signs the tokens of users: 32 random characters or more. Without it nobody can log in.')
@secure()
param sessionSecret string = ''

@description('How many connections the database allows to each of its servers, less what others need of them.')
@minValue(120)
param mongoMaxConnections int = 1500

@description('How many connections to each server a process should have: at least a few, at most httpConcurrency.')
@minValue(1)
@maxValue(100)
param connectionsPerProcess int = 16

@description('Calls that one instance answers at the same time. The default of Flex Consumption for Python is 1.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 32

// One process for each instance, and beside its pool up to two connections that monitor each server. The platform
// starts no more instances than the database has connections for; 40 and 1,000 are the platform's own limits. The
// service divides the same budget by the same number of processes, so the pools fit also where 40 was the larger.
@description('How many instances there may be: as many as the database has connections for.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = min(1000, max(40, mongoMaxConnections / (connectionsPerProcess + 2)))

@description('Instances that are always there, so that a call rarely meets a cold start. They cost also when idle.')
@minValue(0)
@maxValue(20)
param alwaysReady int = 0

@description('The name of an Azure DocumentDB cluster in documentDbResourceGroup that the identity may use.')
param documentDbCluster string = ''

@description('The resource group of documentDbCluster.')
param documentDbResourceGroup string = ''

var tags = { 'azd-env-name': environmentName }
var token = toLower(uniqueString(subscription().id, environmentName, location))

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module platform 'modules/platform.bicep' = {
  name: 'platform'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    mongoUri: mongoUri
    sessionSecret: sessionSecret
  }
}

module functions 'modules/functions.bicep' = if (host == 'functions') {
  name: 'functions'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    identityName: platform.outputs.identityName
    insightsName: platform.outputs.insightsName
    vaultName: platform.outputs.vaultName
    hasSessionSecret: !empty(sessionSecret)
    mongoAuth: mongoAuth
    mongoMaxConnections: mongoMaxConnections
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReady: alwaysReady
  }
}

module container 'modules/container.bicep' = if (host == 'container') {
  name: 'container'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    image: image
    identityName: platform.outputs.identityName
    insightsName: platform.outputs.insightsName
    workspaceName: platform.outputs.workspaceName
    vaultName: platform.outputs.vaultName
    hasSessionSecret: !empty(sessionSecret)
    mongoAuth: mongoAuth
    mongoMaxConnections: mongoMaxConnections
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReady: alwaysReady
  }
}

module documentDb 'modules/documentdb.bicep' = if (!empty(documentDbCluster)) {
  name: 'documentdb'
  scope: resourceGroup(documentDbResourceGroup)
  params: {
    clusterName: documentDbCluster
    principalId: platform.outputs.identityPrincipalId
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output DOZEN_MAXIMUM_INSTANCE_COUNT int = maximumInstanceCount

// The server image on Azure Container Apps, and its admin processes as a job of the same image:
// az containerapp job start --name job-dozen-admin --resource-group RG --args admin keys list
param location string
param tags object
param token string
param image string
param identityName string
param insightsName string
param workspaceName string
param vaultName string
param hasSessionSecret bool
param mongoAuth string
param mongoMaxConnections int
param maximumInstanceCount int
param httpConcurrency int
param alwaysReady int

var port = 7071
var healthPort = 7072
// only a registry of Azure knows the identity; an image of another one must be public
var registry = split(image, '/')[0]
var registries = endsWith(registry, '.azurecr.io') ? [{ server: registry, identity: identity.id }] : []

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: workspaceName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

var uriSecret = [
  {
    name: 'mongo-db-uri'
    keyVaultUrl: '${vault.properties.vaultUri}secrets/mongo-db-uri'
    identity: identity.id
  }
]
var sessionSecret = [
  {
    name: 'session-secret'
    keyVaultUrl: '${vault.properties.vaultUri}secrets/session-secret'
    identity: identity.id
  }
]
var secrets = hasSessionSecret ? concat(uriSecret, sessionSecret) : uriSecret

var settings = [
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insights.properties.ConnectionString }
  {
    name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
    value: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  }
  { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
  { name: 'EXPECTED_PROCESSES', value: string(maximumInstanceCount) }
  { name: 'LISTEN_PORT', value: string(port) }
  { name: 'HEALTH_PORT', value: string(healthPort) }
  { name: 'MONGO_DB_AUTH', value: mongoAuth }
  { name: 'MONGO_DB_MAX_CONNECTIONS', value: string(mongoMaxConnections) }
  { name: 'MONGO_DB_URI', secretRef: 'mongo-db-uri' }
]
var sessionSettings = [
  { name: 'SESSION_SECRET', secretRef: 'session-secret' }
]
var environment = hasSessionSecret ? concat(settings, sessionSettings) : settings

resource managed 'Microsoft.App/managedEnvironments@2024-03-01' = {
  name: 'cae-dozen-${token}'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: workspace.properties.customerId
        sharedKey: workspace.listKeys().primarySharedKey
      }
    }
  }
}

resource app 'Microsoft.App/containerApps@2024-03-01' = {
  name: 'ca-dozen'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    managedEnvironmentId: managed.id
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: { external: true, targetPort: port, allowInsecure: false }
      registries: registries
      secrets: secrets
    }
    template: {
      terminationGracePeriodSeconds: 60
      containers: [
        {
          name: 'dozen'
          image: image
          env: environment
          resources: { cpu: json('0.5'), memory: '1Gi' }
          probes: [
            { type: 'Liveness', httpGet: { path: '/health/live', port: healthPort }, periodSeconds: 10 }
            { type: 'Readiness', httpGet: { path: '/health/ready', port: healthPort }, periodSeconds: 10, timeoutSeconds: 5 }
          ]
        }
      ]
      scale: {
        minReplicas: alwaysReady
        maxReplicas: maximumInstanceCount
        rules: [{ name: 'http', http: { metadata: { concurrentRequests: string(httpConcurrency) } } }]
      }
    }
  }
}

resource admin 'Microsoft.App/jobs@2024-03-01' = {
  name: 'job-dozen-admin'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    environmentId: managed.id
    configuration: {
      triggerType: 'Manual'
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      replicaTimeout: 3600
      replicaRetryLimit: 0
      registries: registries
      secrets: secrets
    }
    template: {
      containers: [
        {
          name: 'admin'
          image: image
          args: ['admin', '--help']
          env: environment
          resources: { cpu: json('0.5'), memory: '1Gi' }
        }
      ]
    }
  }
}

output url string = 'https://${app.properties.configuration.ingress.fqdn}'

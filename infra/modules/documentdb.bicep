// Lets the managed identity sign in to an Azure DocumentDB cluster that is there already: it needs no password then.
param clusterName string

@description('The object id of the identity, which is also its name in the database.')
param principalId string

resource cluster 'Microsoft.DocumentDB/mongoClusters@2025-09-01' existing = {
  name: clusterName
}

resource user 'Microsoft.DocumentDB/mongoClusters/users@2025-09-01' = {
  parent: cluster
  name: principalId
  properties: {
    identityProvider: {
      type: 'MicrosoftEntraID'
      properties: { principalType: 'ManagedIdentity' }
    }
    roles: [{ db: 'admin', role: 'root' }]
  }
}

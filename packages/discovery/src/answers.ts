import {
  answerInquiries,
  type CheckAnswer,
  type Cluster,
  type ClusterAnswer,
  type EndpointAnswer,
  type EndpointExplanation,
  MAX_ANSWER_ITEMS,
  toWireError,
} from '@sd/core'

/** Answers inquiries about clusters. @returns a function that ends answering */
export function answerForClusters(clusters: { readonly all: Iterable<Cluster> }): () => void {
  return answerInquiries('endpoints', function* ({ service }) {
    for (const cluster of clusters.all) if (service === undefined || cluster.service === service) yield answerCluster(cluster)
  })
}

function answerCluster(cluster: Cluster): ClusterAnswer {
  const { endpoints, ...explained } = cluster.explain()
  return {
    ...explained,
    endpoints: endpoints.slice(0, MAX_ANSWER_ITEMS).map(answerEndpoint),
    omitted: Math.max(0, endpoints.length - MAX_ANSWER_ITEMS),
  }
}

function answerEndpoint({ endpoint, weight, dropped, outs, checks = [] }: EndpointExplanation): EndpointAnswer {
  const { instance, origin, latencyMs, active } = endpoint
  return {
    instanceId: instance.id,
    origin,
    ...(instance.version !== undefined && { version: instance.version }),
    ...(instance.locality?.zone !== undefined && { zone: instance.locality.zone }),
    health: instance.health.status,
    weight,
    ...(dropped !== undefined && { dropped }),
    outs,
    checks: checks.map(
      ({ error, ...check }): CheckAnswer => ({ ...check, ...(error !== undefined && { error: toWireError(error) }) }),
    ),
    latencyMs,
    active,
  }
}

import { json } from 'node:stream/consumers'
import { buildSchema, graphql } from 'graphql'
import { GraphQLClient } from 'graphql-request'
import { expect, test } from 'vitest'
import { abortIn, type Services, serveStock } from './testing/services.ts'

const schema = buildSchema('type Query { pieces(id: ID!): Int } type Mutation { reserve(id: ID!, pieces: Int!): Int }')
const rootValue = { pieces: ({ id }: { readonly id: string }) => Number(id), reserve: () => 1 }

async function start(options = {}): Promise<Services & { readonly url: string }> {
  const services = await serveStock(async (request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://stock')
    const { query, variables } =
      request.method === 'GET'
        ? { query: searchParams.get('query') ?? '', variables: JSON.parse(searchParams.get('variables') ?? '{}') }
        : ((await json(request)) as { query: string; variables: object })
    const result = await graphql({ schema, source: query, variableValues: variables, rootValue })
    response.setHeader('content-type', 'application/json').end(JSON.stringify(result))
  }, options)
  return { ...services, url: 'http://stock/graphql' }
}

const query = 'query ($id: ID!) { pieces(id: $id) }'

test('queries by GET are repeated, and those by POST only with an idempotency key', async () => {
  const { client, url, failNext, requests } = await start()
  const byGet = new GraphQLClient(url, { fetch: client.fetch, method: 'GET', jsonSerializer: JSON })
  failNext(1)
  expect(await byGet.request(query, { id: '7' })).toEqual({ pieces: 7 })
  const byPost = new GraphQLClient(url, { fetch: client.fetch })
  failNext(1)
  await expect(byPost.request(query, { id: '7' })).rejects.toMatchObject({ response: { status: 503 } })
  failNext(1)
  const mutation = 'mutation { reserve(id: "7", pieces: 1) }'
  expect(await byPost.request(mutation, {}, { 'idempotency-key': 'k1' })).toEqual({ reserve: 1 })
  expect(requests).toEqual(['GET', 'GET', 'POST', 'POST', 'POST'].map((method) => `${method} /graphql`))
})

test('the time limit of the service, and a signal, reject with the errors of fetch', async () => {
  const { client, url, hangNext } = await start({ timeoutMs: 200 })
  const api = new GraphQLClient(url, { fetch: client.fetch })
  hangNext(2)
  await expect(api.request(query, { id: '7' })).rejects.toMatchObject({
    name: 'TimeoutError',
    cause: { code: 'SD_DEADLINE_EXCEEDED' },
  })
  await expect(api.request({ document: query, variables: { id: '7' }, signal: abortIn(20) })).rejects.toMatchObject({
    name: 'AbortError',
  })
})

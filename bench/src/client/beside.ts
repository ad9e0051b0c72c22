import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import axios from 'axios'
import got from 'got'
import { measurePaired } from '../paired.ts'
import { perRequest } from '../per-request.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import { startSliceProcess } from '../slice-process.ts'
import { openCallers } from './callers.ts'

const rounds = 21
/** Time limit, in milliseconds. */
const maxMs = 60_000
const requests = 4_000
/** Requests per slice of clients that take several times as long. */
const fewRequests = 1_000

function sendHttp(origin: string, agent: HttpAgent): Promise<string> {
  return new Promise((resolve, reject) => {
    httpRequest(`${origin}/orders/1`, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end()
  })
}

/** Measures all in one process, where they share compiled code of undici and garbage collection. */
export async function benchBeside(): Promise<readonly Finding[]> {
  const server = await startSliceProcess(new URL('../server.ts', import.meta.url), 3)
  const ports = server.greeting as readonly number[]
  const origin = `http://127.0.0.1:${ports[0]}`
  const [undici, client] = [await openCallers.undici(ports), await openCallers.client(ports)]
  const agent = new HttpAgent({ keepAlive: true })
  const instance = axios.create({ baseURL: origin, httpAgent: agent, responseType: 'text' })
  const gotOptions = { agent: { http: agent }, retry: { limit: 0 } }
  try {
    const results = await measurePaired(
      [
        perRequest('undici Pool.request', undici.send, requests),
        perRequest('@sd/client', client.send, requests),
        perRequest('node:http, keep-alive', () => sendHttp(origin, agent), requests),
        perRequest('fetch', async () => (await fetch(`${origin}/orders/1`)).text(), requests),
        perRequest('axios', async () => (await instance.get<string>('/orders/1')).data, fewRequests),
        perRequest('got', () => got(`${origin}/orders/1`, gotOptions).text(), fewRequests),
      ],
      rounds,
      { maxMs },
    )
    return results.map((result) => ({
      subject: `CPU per request, in one process with the other clients: ${result.name}`,
      measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} µs`,
      ...(result.name === '@sd/client' && judgeRatio(result, 1, 'undici')),
    }))
  } finally {
    await Promise.all([undici.close(), client.close()])
    agent.destroy()
    server.close()
  }
}

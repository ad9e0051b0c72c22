import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type GrpcObject,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceClientConstructor,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { load } from '@grpc/proto-loader'
import { freePorts } from './network.ts'

/** `nacos_grpc_service.proto` of Nacos 3.0, without its options for Java. */
const proto = `syntax = "proto3";
import "google/protobuf/any.proto";
message Metadata { string type = 3; string clientIp = 8; map<string, string> headers = 7; }
message Payload { Metadata metadata = 2; google.protobuf.Any body = 3; }
service Request { rpc request (Payload) returns (Payload) {} }
service BiRequestStream { rpc requestBiStream (stream Payload) returns (stream Payload) {} }
`

type Body = Readonly<Record<string, unknown>>

interface Payload {
  readonly metadata: { readonly type: string; readonly clientIp?: string; readonly headers: Readonly<Record<string, string>> }
  readonly body: { readonly value: Buffer }
}

/** A message that a client sent. */
export interface ReceivedMessage {
  readonly connectionId: string
  readonly type: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
  /** Address that the client tells with its setup. */
  readonly clientIp?: string
}

/**
 * The rules of official Nacos' gRPC that rnacos does not have: ids of connections with `_port`, abilities, one publication
 * for a connection and a service, persistent instances, a watch for services, compare-and-set, gray texts, encrypted data
 * keys, and a server that asks its clients to connect again. Source: `GrpcRequestAcceptor`, `ConnectionManager` and the request handlers of Nacos 3.0.
 */
export interface NacosStandIn extends AsyncDisposable {
  /** Port by which clients know the server. Nothing listens there. */
  readonly port: number
  /** Port of gRPC: 1,000 above. */
  readonly grpcPort: number
  /** What clients have sent, in order, without checks of the connection. */
  readonly received: readonly ReceivedMessage[]
  /** Ids of the accepted connections. */
  connections(): readonly string[]
  /** Ids of instances that a service has, as `ip:port`, of all connections. */
  instances(service: string): readonly string[]
  /** Sends a message to every connection. */
  push(type: string, body: Body): void
  /** Forgets all connections without closing them. Their next request is refused, as after a check that failed. */
  forget(): void
  /** Whether it responds that it is starting. */
  setStarting(isStarting: boolean): void
  /** Stops it. */
  close(): Promise<void>
}

interface Connection {
  /** Address that the client has told. */
  readonly clientIp: string
  readonly stream: ServerDuplexStream<Payload, Payload>
  readonly published: Map<string, readonly Body[]>
  readonly subscribed: Set<string>
  readonly watches: Set<string>
  isListening: boolean
}

interface StoredText {
  readonly content: string
  readonly md5: string
  readonly encryptedDataKey: string
}

const keyOf = ({ groupName, serviceName }: Body): string => `${String(groupName)}@@${String(serviceName)}`
const addressOf = ({ ip, port }: Body): string => `${String(ip)}:${String(port)}`
const md5Refused = { resultCode: 500, errorCode: 500, message: 'Cas publish fail,server md5 may have changed.' }

/** Starts a stand-in. */
export async function startNacosStandIn(abilities: Readonly<Record<string, boolean>> = {}): Promise<NacosStandIn> {
  const server = new StandIn({ fuzzyWatch: true, supportPersistentInstanceByGrpc: true, ...abilities })
  await server.start()
  return server
}

class StandIn implements NacosStandIn {
  port = 0
  grpcPort = 0
  readonly received: ReceivedMessage[] = []
  readonly #abilities: Readonly<Record<string, boolean>>
  readonly #server = new Server()
  readonly #connections = new Map<string, Connection>()
  readonly #persistent = new Map<string, Map<string, Body>>()
  readonly #texts = new Map<string, StoredText>()
  /** Texts for clients at certain addresses. */
  readonly #grayTexts = new Map<string, StoredText & { readonly addresses: readonly string[] }>()
  #isStarting = false
  #requestId = 0

  constructor(abilities: Readonly<Record<string, boolean>>) {
    this.#abilities = abilities
  }

  async start(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'sd-nacos-'))
    const file = join(folder, 'nacos.proto')
    await writeFile(file, proto)
    const loaded = loadPackageDefinition(await load(file, { keepCase: true, defaults: true })) as GrpcObject
    await rm(folder, { recursive: true })
    const service = (name: string): ServiceClientConstructor['service'] => (loaded[name] as ServiceClientConstructor).service
    this.#server.addService(service('Request'), {
      request: (call: ServerUnaryCall<Payload, Payload>, callback: sendUnaryData<Payload>) =>
        callback(null, this.#respond(idOf(call.getPeer()), call.request)),
    })
    this.#server.addService(service('BiRequestStream'), {
      requestBiStream: (stream: ServerDuplexStream<Payload, Payload>) => this.#open(idOf(stream.getPeer()), stream),
    })
    ;[this.port, this.grpcPort] = await freePorts(1_000)
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${this.grpcPort}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
  }

  connections(): readonly string[] {
    return [...this.#connections.keys()]
  }

  instances(service: string): readonly string[] {
    return this.#hosts(`DEFAULT_GROUP@@${service}`).map(addressOf)
  }

  push(type: string, body: Body): void {
    for (const { stream } of this.#connections.values()) this.#send(stream, type, body)
  }

  forget(): void {
    this.#connections.clear()
  }

  setStarting(isStarting: boolean): void {
    this.#isStarting = isStarting
  }

  async close(): Promise<void> {
    this.#server.forceShutdown()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #send(stream: Connection['stream'], type: string, body: Body): void {
    this.#requestId++
    stream.write(toPayload(type, { requestId: String(this.#requestId), ...body }))
  }

  #open(id: string, stream: Connection['stream']): void {
    stream.on('data', ({ metadata: { type, headers, clientIp = '' }, body }: Payload) => {
      const fields = JSON.parse(String(body.value)) as Body
      this.received.push({ connectionId: id, type, headers, body: fields, clientIp })
      if (type !== 'ConnectionSetupRequest') return
      this.#connections.set(id, {
        clientIp,
        stream,
        published: new Map(),
        subscribed: new Set(),
        watches: new Set(),
        isListening: false,
      })
      this.#send(stream, 'SetupAckRequest', { abilityTable: this.#abilities })
    })
    const leave = (): void => {
      const connection = this.#connections.get(id)
      if (connection?.stream !== stream) return
      this.#connections.delete(id)
      for (const key of connection.published.keys()) this.#changed(key)
    }
    stream.on('end', () => {
      leave()
      stream.end()
    })
    stream.on('error', leave)
    void once(stream, 'cancelled').then(leave)
  }

  #respond(id: string, { metadata: { type, headers }, body }: Payload): Payload {
    const fields = JSON.parse(String(body.value)) as Body
    const reply = (response: Body): Payload =>
      toPayload(type.replace(/Request$/, 'Response'), { resultCode: 200, errorCode: 0, ...response })
    const refuse = (errorCode: number, message: string): Payload =>
      toPayload('ErrorResponse', { resultCode: 500, errorCode, message })
    if (this.#isStarting) return refuse(300, 'Server is starting,please try later.')
    if (type === 'ServerCheckRequest') return reply({ connectionId: id, supportAbilityNegotiation: true })
    const connection = this.#connections.get(id)
    if (!connection) return refuse(301, 'Connection is unregistered.')
    if (type === 'HealthCheckRequest') return reply({})
    this.received.push({ connectionId: id, type, headers, body: fields })
    const response = this.#naming(connection, type, fields) ?? this.#config(connection, type, fields)
    return response ? reply(response) : refuse(302, 'RequestHandler Not Found')
  }

  #naming(connection: Connection, type: string, body: Body): Body | undefined {
    const key = keyOf(body)
    switch (type) {
      case 'InstanceRequest':
        // A connection has one publication of a service: removing it removes a whole batch.
        if (body['type'] === 'deregisterInstance') connection.published.delete(key)
        else connection.published.set(key, [body['instance'] as Body])
        break
      case 'BatchInstanceRequest':
        connection.published.set(key, body['instances'] as readonly Body[])
        break
      case 'PersistentInstanceRequest': {
        const instances = this.#persistent.get(key) ?? new Map()
        const instance = body['instance'] as Body
        if (body['type'] === 'deregisterInstance') instances.delete(addressOf(instance))
        else instances.set(addressOf(instance), instance)
        this.#persistent.set(key, instances)
        break
      }
      case 'SubscribeServiceRequest':
        if (body['subscribe']) connection.subscribed.add(key)
        else connection.subscribed.delete(key)
        return { serviceInfo: this.#info(key) }
      case 'ServiceQueryRequest':
        return { serviceInfo: this.#info(key) }
      case 'ServiceListRequest': {
        const names = this.#services().map((one) => one.split('@@')[1])
        const [page, size] = [Number(body['pageNo']), Number(body['pageSize'])]
        return { count: names.length, serviceNames: names.slice((page - 1) * size, page * size) }
      }
      case 'NamingFuzzyWatchRequest': {
        const pattern = String(body['groupKeyPattern'])
        if (body['watchType'] === 'WATCH') connection.watches.add(pattern)
        else connection.watches.delete(pattern)
        return {}
      }
      default:
        return undefined
    }
    this.#changed(key)
    return {}
  }

  #config(connection: Connection, type: string, body: Body): Body | undefined {
    const key = JSON.stringify([body['tenant'], body['group'], body['dataId']])
    const gray = this.#grayTexts.get(key)
    const found = gray?.addresses.includes(connection.clientIp) ? gray : this.#texts.get(key)
    switch (type) {
      case 'ConfigQueryRequest':
        if (!found) return { resultCode: 500, errorCode: 300, message: 'config data not exist' }
        return { ...found, contentType: 'text', lastModified: 1 }
      case 'ConfigPublishRequest': {
        const { casMd5, additionMap } = body
        // A blank one is not compared, and neither is that of a text that does not exist.
        const { md5 = casMd5 } = this.#texts.get(key) ?? {}
        if (String(casMd5 ?? '').trim() && casMd5 !== md5) return md5Refused
        const { encryptedDataKey = '', betaIps } = (additionMap ?? {}) as Readonly<Record<string, string>>
        const content = String(body['content'])
        const text = { content, md5: md5Of(content), encryptedDataKey }
        if (betaIps) this.#grayTexts.set(key, { ...text, addresses: betaIps.split(',') })
        else this.#texts.set(key, text)
        break
      }
      case 'ConfigRemoveRequest':
        this.#texts.delete(key)
        break
      case 'ConfigBatchListenRequest':
        connection.isListening = body['listen'] === true
        return { changedConfigs: [] }
      default:
        return undefined
    }
    for (const { stream, isListening } of this.#connections.values()) {
      const { dataId, group, tenant } = body
      if (isListening) this.#send(stream, 'ConfigChangeNotifyRequest', { dataId, group, tenant })
    }
    return {}
  }

  #hosts(key: string): readonly Body[] {
    const persistent = [...(this.#persistent.get(key)?.values() ?? [])]
    return [...this.#connections.values()].flatMap(({ published }) => published.get(key) ?? []).concat(persistent)
  }

  #info(key: string): Body {
    const [groupName, name] = key.split('@@')
    return { name, groupName, clusters: '', hosts: this.#hosts(key), lastRefTime: Date.now() }
  }

  #services(): readonly string[] {
    const published = [...this.#connections.values()].flatMap((connection) => [...connection.published.keys()])
    return [...new Set([...published, ...this.#persistent.keys()])].sort()
  }

  #changed(key: string): void {
    for (const { stream, subscribed, watches } of this.#connections.values()) {
      if (subscribed.has(key)) {
        this.#send(stream, 'NotifySubscriberRequest', { module: 'naming', serviceInfo: this.#info(key) })
      }
      if (watches.size > 0) {
        const changedType = this.#hosts(key).length > 0 ? 'ADD_SERVICE' : 'DELETE_SERVICE'
        this.#send(stream, 'NamingFuzzyWatchChangeNotifyRequest', { serviceKey: `public@@${key}`, changedType })
      }
    }
  }
}

/** As official servers make it: the time, the address and the port, joined by `_`. */
function idOf(peer: string): string {
  const separator = peer.lastIndexOf(':')
  return `1700000000000_${peer.slice(0, separator)}_${peer.slice(separator + 1)}`
}

function toPayload(type: string, body: Body): Payload {
  return { metadata: { type, headers: {} }, body: { value: Buffer.from(JSON.stringify(body)) } }
}

function md5Of(content: string): string {
  return createHash('md5').update(content).digest('hex')
}

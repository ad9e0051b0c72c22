import { createSeededRandom } from '@sd/testing'
import { type Answer, decode, encode, type Packet } from 'dns-packet'
import { describe, expect, test } from 'vitest'
import { type Finding, indexAdditionals, interpret } from './interpret.ts'
import { encodeQuery, readReply } from './message.ts'
import { address, alias, authority, reply, srv } from './testing/fake-dns.ts'

const question = { name: '_orders._tcp.x.test', type: 'SRV' } as const
const query = encodeQuery(question, 4_711)
const asked = decode(query.packet)
const one = srv(question.name, 'one.x.test', 80)

function read(parts: Omit<Packet, 'id' | 'type'>): ReturnType<typeof readReply> {
  return readReply(reply(asked, parts), query)
}

function find(parts: Omit<Packet, 'id' | 'type'>): Finding<'SRV'> {
  const answer = read(parts)
  if (answer.kind !== 'answered') throw new Error(answer.kind)
  return interpret(answer.message, question)
}

describe('a query', () => {
  test('offers larger datagrams, and requests recursion', () => {
    expect(asked).toMatchObject({ id: 4_711, flag_rd: true, type: 'query', questions: [question] })
    expect(asked.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1_232 }])
    expect(decode(encodeQuery(question, 1, false).packet).additionals).toEqual([])
  })
})

describe('a reply', () => {
  test('is a response with the question in any case', () => {
    expect(read({ answers: [one] })).toMatchObject({ kind: 'answered', message: { nameExists: true } })
    const questions = [{ ...question, name: question.name.toUpperCase() }]
    expect(readReply(reply({ ...asked, questions }, { answers: [one] }), query).kind).toBe('answered')
  })

  test.each([
    ['is too short', Buffer.from([1, 2, 3])],
    ['is empty', Buffer.alloc(0)],
    ['is the query itself', query.packet],
    ['has another id', reply({ ...asked, id: 4_712 }, { answers: [one] })],
    ['answers another name', reply({ ...asked, questions: [{ ...question, name: '_orders._tcp.y.test' }] })],
    ['answers another type', reply({ ...asked, questions: [{ ...question, type: 'A' }] })],
    ['answers no question', reply({ ...asked, questions: [] }, { answers: [one] })],
    ['answers two questions', reply({ ...asked, questions: [question, question] }, { answers: [one] })],
    ['is of another kind', reply(asked, { flags: 2 << 11 })],
  ])('that %s is unrelated', (_, packet) => {
    expect(readReply(packet, query)).toEqual({ kind: 'foreign' })
  })

  test.each([
    [1, 'FORMERR'],
    [2, 'SERVFAIL'],
    [4, 'NOTIMP'],
    [5, 'REFUSED'],
    [9, 'RCODE 9'],
  ])('with the result %i is a failure, %s', (flags, reason) => {
    expect(read({ flags })).toEqual({ kind: 'failed', reason })
    expect(readReply(reply({ ...asked, questions: [] }, { flags }), query)).toEqual({ kind: 'failed', reason })
  })

  test('that is truncated is not decoded', () => {
    const packet = reply(asked, { flags: 0x200, answers: [one] })
    expect(readReply(packet.subarray(0, packet.length - 5), query)).toEqual({ kind: 'truncated' })
  })

  test('with an extended error or invalid data is a failure', () => {
    const extension = decode(query.packet).additionals?.[0] as Answer & { type: 'OPT' }
    expect(read({ additionals: [{ ...extension, extendedRcode: 1 }] })).toMatchObject({ kind: 'failed' })
    const packet = reply(asked, { answers: [one] })
    for (let length = packet.length - 1; length >= query.echo.length + 12; length--) {
      expect(readReply(packet.subarray(0, length), query).kind).toBe('failed')
    }
  })

  test('with a compression loop, or wrong counts, is a failure', () => {
    const packet = reply(asked, { answers: [one] })
    const at = 12 + query.echo.length
    for (const pointer of [at, at + 1, 0x3fff]) {
      const looped = Buffer.concat([packet.subarray(0, at), Buffer.alloc(2), packet.subarray(at + question.name.length + 2)])
      looped.writeUInt16BE(0xc000 | pointer, at)
      expect(readReply(looped, query).kind).toBe('failed')
    }
    for (const count of [6, 8, 10]) {
      const lying = Buffer.from(packet)
      lying.writeUInt16BE(65_535, count)
      expect(readReply(lying, query).kind).toBe('failed')
    }
  })

  test('that is hostile never throws', () => {
    const random = createSeededRandom(4_711)
    const draw = (below: number): number => Math.floor(random() * below)
    const additionals = [address('one.x.test', '10.0.0.1'), ...(decode(query.packet).additionals ?? [])]
    const genuine = reply(asked, {
      answers: [alias(question.name, 'b.test'), one],
      authorities: [authority('x', 1, 1)],
      additionals,
    })
    const kinds = new Set<string>()
    for (let run = 0; run < 20_000; run++) {
      let packet = Buffer.from(genuine)
      // Half of them keep header and question, so that they are decoded.
      const from = run % 2 === 0 ? 12 + query.echo.length : 0
      for (let flips = draw(8); flips >= 0; flips--) packet[from + draw(packet.length - from)] = draw(256)
      if (run % 3 === 0) packet = packet.subarray(0, draw(packet.length))
      const answer = readReply(packet, query)
      kinds.add(answer.kind)
      if (answer.kind !== 'answered') continue
      kinds.add(interpret(answer.message, question).kind)
      indexAdditionals(answer.message)('one.x.test', 'A')
    }
    expect([...kinds].sort()).toEqual(['alias', 'answered', 'failed', 'foreign', 'records', 'truncated'].sort())
  })
})

describe('a response', () => {
  test('contains the records, and the smallest TTL along its aliases', () => {
    expect(find({ answers: [{ ...one, ttl: 9 } as Answer, srv(question.name, 'two', 81, 5)] })).toMatchObject({
      data: [{ target: 'one.x.test', port: 80 }, { target: 'two' }],
      ttlSeconds: 5,
    })
    const aliased = [srv('c.test', 'one', 80, 7), alias('B.test', 'c.test', 3), alias(question.name, 'b.test', 8)]
    expect(find({ answers: aliased })).toMatchObject({ kind: 'records', data: [{ target: 'one' }], ttlSeconds: 3 })
  })

  test('applies only to the name and type in the question', () => {
    const others: Answer[] = [srv('other.test', 'evil', 1), address(question.name, '6.6.6.6'), { ...one, class: 'CH' } as Answer]
    expect(find({ answers: others })).toEqual({ kind: 'records', data: [], ttlSeconds: 0 })
  })

  test('treats a TTL with the highest bit as 0', () => {
    expect(find({ answers: [{ ...one, ttl: 2 ** 31 } as Answer] })).toMatchObject({ ttlSeconds: 0 })
  })

  test('that denies a record has the TTL of the SOA record', () => {
    for (const flags of [0, 3]) {
      const gone = { kind: 'records', data: [] }
      expect(find({ flags, authorities: [authority('x.test', 60, 5)] })).toEqual({ ...gone, ttlSeconds: 5 })
      expect(find({ flags, authorities: [authority('x.test', 4, 900)] })).toEqual({ ...gone, ttlSeconds: 4 })
      expect(find({ flags })).toEqual({ ...gone, ttlSeconds: 0 })
      const answers = [alias(question.name, 'b.test', 2)]
      expect(find({ flags, answers, authorities: [authority('x.test', 60, 5)] })).toEqual({ ...gone, ttlSeconds: 2 })
    }
  })

  test('can end in an alias, at an alias without records, or in a referral', () => {
    const answers = [alias(question.name, 'B.test.', 2)]
    expect(find({ answers })).toEqual({ kind: 'alias', name: 'b.test', ttlSeconds: 2, hops: 1 })
    expect(find({ flags: 3, answers })).toMatchObject({ kind: 'records', data: [] })
    const authorities: Answer[] = [{ type: 'NS', name: 'x.test', class: 'IN', data: 'ns.x.test' }]
    expect(find({ authorities })).toEqual({ kind: 'failed', reason: 'a referral to other servers' })
    // Consul's response for a missing record: authoritative, and without a SOA record.
    expect(find({ authorities, flags: 1 << 10 })).toMatchObject({ kind: 'records', data: [] })
    expect(find({ answers: [alias(question.name, 'no name')] })).toMatchObject({ kind: 'failed' })
    expect(find({ answers: [alias(question.name, question.name)] })).toEqual({ kind: 'failed', reason: 'more than 8 aliases' })
  })

  test('contains addresses of other names', () => {
    const additionals = [address('One.X.test', '10.0.0.1', 9), address('one.x.test', '10.0.0.2', 4), address('two', '10.0.0.3')]
    const answer = readReply(encode({ ...decode(reply(asked)), additionals }), query)
    if (answer.kind !== 'answered') throw new Error(answer.kind)
    const look = indexAdditionals(answer.message)
    expect(look('one.x.test', 'A')).toEqual({ addresses: ['10.0.0.1', '10.0.0.2'], ttlSeconds: 4 })
    expect(look('one.x.test', 'AAAA')).toBeUndefined()
    expect(look('three', 'A')).toBeUndefined()
  })
})

import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createFakeClient, defineServiceClient, events, operation } from './index.ts'

const Stock = z.object({ id: z.string(), at: z.coerce.date() })
const stock = defineServiceClient('stock', {
  find: operation('GET /stock/{id}', { response: Stock }),
  list: operation('GET /stock'),
  note: operation('GET /stock/{id}/note', { response: 'text' }),
  reserve: operation('POST /stock/{id}', { body: z.object({ pieces: z.number() }) }),
  changes: events('GET /changes', { data: Stock }),
})
const at = new Date('2026-01-02T03:04:05Z')

describe('a fake', () => {
  test('answers by its handlers, with results that take the way of JSON', async () => {
    const { client, calls } = createFakeClient(stock, {
      find: (id) => ({ id: String(id), at }),
      list: () => [{ at, nothing: undefined }],
      note: async () => 'fragile',
    })
    expect(await client.find('7')).toEqual({ id: '7', at })
    expect(await client.list({ query: { page: 2 } })).toEqual([{ at: at.toISOString() }])
    expect(await client.note('7')).toBe('fragile')
    expect(calls).toMatchObject([
      { operation: 'find', path: '/stock/7' },
      { operation: 'list', path: '/stock', query: { page: 2 } },
      { operation: 'note', path: '/stock/7/note' },
    ])
  })

  test('checks arguments and results as the real client does', async () => {
    const { client, calls } = createFakeClient(stock, {
      find: () => ({ id: 7, at }) as never,
      reserve: (_, { pieces }) => ({ reserved: pieces }),
    })
    await expect(client.find('')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'id' })
    await expect(client.find('7')).rejects.toMatchObject({ code: 'SD_MALFORMED', message: expect.stringContaining('id') })
    await expect(client.reserve('7', { pieces: 'two' } as never)).rejects.toMatchObject({ field: 'body.pieces' })
    expect(await client.reserve('7', { pieces: 2 })).toEqual({ reserved: 2 })
    expect(calls.map(({ operation: name, body }) => [name, body])).toEqual([
      ['find', undefined],
      ['reserve', { pieces: 2 }],
    ])
  })

  test('passes on what a handler throws, and rejects calls without a handler', async () => {
    const refusal = new SdError('SD_REJECTED', 'too busy')
    const { client } = createFakeClient(stock, {
      find: () => {
        throw refusal
      },
    })
    await expect(client.find('7')).rejects.toBe(refusal)
    await expect(client.list()).rejects.toMatchObject({ code: 'SD_UNSUPPORTED', message: expect.stringContaining('list') })
  })

  test('plays events', async () => {
    const { client, calls } = createFakeClient(stock, {
      changes: function* () {
        yield { id: '1', data: { id: 'a', at } }
        yield { event: 'gone', data: { id: 1 } as never }
      },
    })
    const seen: unknown[] = []
    const reading = async (): Promise<void> => {
      for await (const event of client.changes()) seen.push(event)
    }
    await expect(reading()).rejects.toMatchObject({ code: 'SD_MALFORMED' })
    expect(seen).toEqual([{ event: 'message', id: '1', data: { id: 'a', at } }])
    expect(calls).toMatchObject([{ operation: 'changes', path: '/changes' }])
  })

  test('refuses handlers that fit no operation', () => {
    expect(() => createFakeClient(stock, { buy: () => 1 } as never)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field: 'handlers.buy' }),
    )
    expect(() => createFakeClient(stock, { find: 'x' as never })).toThrow(expect.objectContaining({ field: 'handlers.find' }))
  })
})

import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { advertisedAddress } from './index.ts'

const network = vi.hoisted(() => ({ route: '10.1.2.3' as string | undefined }))
vi.mock('node:dgram', async (original) => ({
  ...(await original<typeof import('node:dgram')>()),
  createSocket: () => ({
    once(event: string, listener: (error: Error) => void) {
      if (event === 'error' && network.route === undefined) setTimeout(() => listener(new Error('connect ENETUNREACH')), 1)
    },
    connect(_: number, __: string, listener: () => void) {
      if (network.route !== undefined) setTimeout(listener, 1)
    },
    address: () => ({ address: network.route }),
    close: () => undefined,
  }),
}))
vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  networkInterfaces: vi.fn(() => ({
    lo: [{ family: 'IPv4', address: '127.0.0.1', internal: true }],
    eth1: [
      { family: 'IPv6', address: 'fe80::1', internal: false },
      { family: 'IPv6', address: '2001:db8::7', internal: false },
      { family: 'IPv4', address: '10.9.8.7', internal: false },
    ],
  })),
}))

const environment = {}
afterEach(() => {
  network.route = '10.1.2.3'
  vi.restoreAllMocks()
})

describe('the advertised address', () => {
  test('is that of POD_IP, of the given interface, or of the default route, in this order', async () => {
    expect(await advertisedAddress({ environment: { POD_IP: '10.0.0.9' }, interface: 'eth1' })).toBe('10.0.0.9')
    expect(await advertisedAddress({ environment, interface: 'eth1' })).toBe('10.9.8.7')
    expect(await advertisedAddress({ environment, interface: 'eth1', family: 'ipv6' })).toBe('2001:db8::7')
    expect(await advertisedAddress({ environment })).toBe('10.1.2.3')
    expect(networkInterfaces).toHaveBeenCalledTimes(2)
  })

  test.each(['127.0.0.1', '0.0.0.0', '169.254.1.1', '::1', '::', 'fe80::1', undefined])(
    'is never %s in silence',
    async (route) => {
      network.route = route
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
      await expect(advertisedAddress({ environment })).rejects.toMatchObject({
        code: 'SD_NOT_FOUND',
        message: 'There is no default route (ipv4): set instance.address to an address that other hosts reach, or set POD_IP',
      })
      expect(warn).not.toHaveBeenCalled()
      expect(await advertisedAddress({ environment, otherwise: 'loopback' })).toBe('127.0.0.1')
      expect(await advertisedAddress({ environment, otherwise: 'loopback', family: 'ipv6' })).toBe('::1')
      expect(warn).toHaveBeenCalledTimes(2)
    },
  )

  test('invalid options and variables are rejected', async () => {
    await expect(advertisedAddress({ environment: { POD_IP: 'orders.local' } })).rejects.toThrow('Invalid POD_IP')
    await expect(advertisedAddress({ environment, interface: 'eth9' })).rejects.toThrow('want one of lo, eth1')
    await expect(advertisedAddress({ environment, interface: 'lo' })).rejects.toThrow('The interface lo has no address (ipv4)')
    await expect(advertisedAddress({ environment, family: 'ipx' as never })).rejects.toThrow('Invalid family')
    await expect(advertisedAddress({ adress: '' } as never)).rejects.toThrow('adress: unknown field')
  })
})

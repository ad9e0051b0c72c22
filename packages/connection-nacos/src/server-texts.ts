import type { NacosResponse } from './nacos-http.ts'

// What Nacos says with words alone, where its status and its code are those of anything. Each is from servers of the versions named. The
// tests of contracts notice a change: on the server that they start, and on an official one where SD_TEST_NACOS_OFFICIAL names it.

type Answer = Pick<NacosResponse, 'status' | 'text'>

/** Official 2.5 and 3.0: metadata of an instance is longer than the server takes. */
export function isTooLong({ status, text }: Answer): boolean {
  return status === 400 && /length should not exceed/i.test(text)
}

/** Official 3.0 with status 400, 2.5 with 500: the parameter that a form lacks, as one of more than 2 MiB lacks all. */
export function missedParameter({ text }: Pick<Answer, 'text'>): string | undefined {
  return /Required (?:request )?parameter (?:'|&#39;)(\w+)/.exec(text)?.[1]
}

/** Official 2.5: there is no such user; official 3.0: the password is wrong. Both with status 500, which is that of any fault too. */
export function isWrongLogin({ status, text }: Answer): boolean {
  return status === 500 && /^caused: User \S+ not found|No message available/.test(text)
}

/** v1: there is no such configuration; any other 404 is that of a path that the server does not have. */
export function isNoConfig({ status, text }: Answer): boolean {
  return status === 404 && text.includes('config data not exist')
}

/** `casMd5` is not that of the text: v1 with status 500, v3 with code 20005 besides. */
export function isRefusedByMd5({ status, text }: Answer): boolean {
  return status >= 400 && /cas publish fail/i.test(text)
}

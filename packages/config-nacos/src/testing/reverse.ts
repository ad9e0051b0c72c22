import type { NacosEncryption } from '../options.ts'

const reversed = (text: string): string => [...text].reverse().join('')

/** An encryption for tests, which reverses texts. The data key is that of the present text, or a new one. */
export const reverse: Required<NacosEncryption> = {
  decrypt: ({ content }) => reversed(content),
  encrypt: ({ content, encryptedDataKey }) => ({
    content: reversed(content),
    encryptedDataKey: encryptedDataKey ?? reversed(`key of ${content}`),
  }),
}

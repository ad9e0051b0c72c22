import { createFileStore } from '../index.ts'

// A process that appends lines to a store while other processes do the same.
const [, , path = '', name = '', count = '0'] = process.argv
const store = createFileStore({ path })
for (let index = 0; index < Number(count); index++) {
  let isDone = false
  while (!isDone) {
    const { revision } = await store.read({})
    isDone = await store.append(`${name} ${index}\n`, revision, {})
  }
}

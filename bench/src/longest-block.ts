/** The longest delay of timers while `work` ran, in milliseconds. */
export async function longestBlock(work: () => Promise<void>): Promise<number> {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last - 1)
    last = now
  }, 1)
  await work()
  await new Promise((resolve) => setTimeout(resolve, 20))
  clearInterval(timer)
  return longest
}

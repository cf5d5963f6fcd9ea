/** Calls of the real commands that fail: a few of those that `npm run faults` tries (test/faults). */
import t from 'tap'
import { errorsOfTransfer } from '../faults/errors.ts'
import type { Fault } from '../faults/judge.ts'
import { withoutStrace } from '../faults/strace.ts'
import { Tally } from '../faults/tally.ts'
import { transfers } from '../faults/transfers.ts'
import { withoutProgram } from '../fixtures/required.ts'

const chosen: Record<Fault['side'], [string, string][]> = {
  receiver: [
    ['accept4', 'EMFILE'],
    ['openat', 'EMFILE'],
    ['pwrite64', 'ENOSPC'],
    ['fsync', 'EIO'],
    ['link', 'EACCES'],
    ['write', 'EPIPE'],
  ],
  sender: [
    ['connect', 'ECONNREFUSED'],
    ['pread64', 'EIO'],
    ['read', 'ECONNRESET'],
    ['write', 'EPIPE'],
  ],
}

/** The first call of each kind that can fail in that way. */
function choose(faults: readonly Fault[]): Fault[] {
  return chosen[faults[0]?.side as Fault['side']].flatMap(([name, error]) => {
    const found = faults.find((fault) => fault.call.name === name && fault.error === error)
    return found ? [found] : []
  })
}

const skip = withoutProgram('strace', '-V') || withoutStrace()

t.test('keeps the promises when a call fails', { skip }, async (t) => {
  const tally = new Tally(1, true)
  const [file] = transfers as [(typeof transfers)[number]]
  const tried: Fault[] = []
  await errorsOfTransfer(file, tally, (faults) => {
    const some = choose(faults)
    tried.push(...some)
    return some
  })
  t.strictSame(tally.problems, [])
  t.equal(tried.length, chosen.receiver.length + chosen.sender.length)
})

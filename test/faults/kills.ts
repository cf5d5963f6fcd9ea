/** Either side is killed (SIGKILL) at every call of a transfer, so at every step of the commit. */

import { judgeKept, toldOf } from './folders.ts'
import { type Expected, isStored, judgeFolder } from './judge.ts'
import { type Side, Stage } from './stage.ts'
import type { Call } from './strace.ts'
import type { Tally } from './tally.ts'
import { isSingle, type Transfer } from './transfers.ts'

/** How the side that lives may end if nothing is stored. */
const livingCodes = [3, 6, 9]

export async function kills(tally: Tally, transfers: readonly Transfer[]): Promise<void> {
  for (const transfer of transfers.filter(({ output }) => !output)) {
    const stage = new Stage(transfer)
    try {
      const told = toldOf(stage)
      for (const side of ['receiver', 'sender'] as const) {
        const { calls } = await stage.record(side)
        for (const call of tally.chosen(calls)) await kill(stage, side, call, told, tally)
      }
    } finally {
      await stage.end()
    }
  }
}

async function kill(stage: Stage, side: Side, call: Call, told: Expected, tally: Tally): Promise<void> {
  const { transfer } = stage
  const args = [`--trace=${call.name}`, `--inject=${call.name}:signal=KILL:when=${call.when}`]
  const result = await stage.run({ side, threads: [call.thread], args })
  const { sender, there, events, lines } = result
  const isHit = lines.some((line) => line.includes('killed by SIGKILL'))
  const problems = judgeFolder(transfer, there, told.before, told.after)
  const stored = isStored(transfer, result, told.after)
  if (!sender) problems.push('the sender hangs')
  if (
    !stored &&
    events.some((event) => event.event === 'stored' && event.directory === undefined && transfer.send.length === 1)
  ) {
    problems.push('the receiver said that it is stored')
  }
  if (side === 'receiver') {
    if (sender?.code === 0 && !stored) problems.push('the sender says that it is stored')
    if (isHit && sender && ![0, ...livingCodes].includes(sender.code ?? -1))
      problems.push(`the sender ends with ${sender.code}`)
    if (isHit) problems.push(...(await stage.nextStart()))
  } else {
    const { receiver } = result
    if (!isSingle(transfer)) {
      if (receiver !== undefined) problems.push('the listener has ended')
      if (!(await stage.isAlive())) problems.push('the listener takes no other transfer')
    } else if (!receiver) problems.push('the receiver hangs')
    else if (isHit && ![0, ...livingCodes].includes(receiver.code ?? -1))
      problems.push(`the receiver ends with ${receiver.code}: ${receiver.stderr}`)
    if (receiver?.code === 0 && !stored) problems.push('the receiver ends with 0')
    problems.push(...judgeKept(stage))
    if (result.staged.length > 0) problems.push(`left in staging: ${result.staged}`)
  }
  const what = `${call.thread} ${call.name} #${call.when}: ${lines.at(-2)}`
  const outcome = `${isHit ? '' : 'not reached, '}${stored ? 'stored' : 'not stored'}`
  tally.add(`${transfer.title}, ${side} killed`, what, problems, outcome)
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../fixtures/commands.js'
import { type WrongUsage, wrongChatUsage, wrongReceiveUsage, wrongSendUsage } from '../fixtures/wrong-usage.js'

/** Every sixth row: test/cli/commands.test.ts has them all, without a process for each. */
function some(table: readonly WrongUsage[]): WrongUsage[] {
  return table.filter((_row, index) => index % 6 === 0)
}

for (const [name, table] of [
  ['tcp-send', some(wrongSendUsage)],
  ['tcp-recv', some(wrongReceiveUsage)],
  ['tcp-chat', some(wrongChatUsage)],
] as const) {
  t.test(`${name} ends with 2 and says what is wrong with its command line`, async (t) => {
    const outcomes = await Promise.all(table.map(([args]) => runCommand(t, name, args)))
    for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
      const [args, message] = table[index] as WrongUsage
      t.equal(code, 2, args.join(' '))
      t.equal(stdout, '')
      const [first = '', ...more] = stderr.split('\n')
      const said = first.slice(`${name}: `.length)
      if (typeof message === 'string') t.equal(said, message.replace(' --wait 0.1', ''))
      else t.match(said, message)
      t.same(more, [''])
    }
  })
}

t.test('tells wrong usage as text before any event, also with --json', async (t) => {
  const { code, stdout, stderr } = await runCommand(t, 'tcp-recv', ['--json', '--port', 'http'])
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, '--port must be a whole number from 0 to 65535, not "http"')
})

t.test('makes no folder and no receipt for a command line that is wrong', async (t) => {
  const folder = t.testdir()
  const args = ['--port', '0', '--out', join(folder, 'out'), '--receipt', join(folder, 'receipt'), '--count', '0']
  t.equal((await runCommand(t, 'tcp-recv', args)).code, 2)
  t.notOk(existsSync(join(folder, 'out')))
  t.notOk(existsSync(join(folder, 'receipt')))
})

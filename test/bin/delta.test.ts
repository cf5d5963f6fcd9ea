/** The real commands with `--delta`: only what changed of a file is sent. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sendTo, startReceiver } from '../fixtures/commands.js'
import { bytesOf, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.test('sends what changed of a file that is replaced, and says how much was there', async (t) => {
  const folder = t.testdir()
  const old = bytesOf(6_000_000)
  const content = Buffer.concat([Buffer.from('inserted'), old])
  mkdirSync(join(folder, 'out'))
  writeFileSync(join(folder, 'out/disk.img'), old)
  writeFileSync(join(folder, 'disk.img'), content)
  const args = ['--json', '--once', '--if-exists', 'overwrite', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder })
  const { code, stdout } = await sendTo(t, receiver, ['--json', '--delta', 'disk.img'], { cwd: folder })
  t.equal(code, 0)
  const { resumed } = only(readEvents(t, stdout), 'sent')
  t.ok(Number(resumed) > 5_000_000, `${resumed} bytes were there`)
  const ended = await receiver.done
  t.equal(ended.code, 0)
  t.match(only(readEvents(t, ended.stdout), 'stored'), { resumed })
  t.ok(readFileSync(join(folder, 'out/disk.img')).equals(content))
  t.strictSame(namesIn(join(folder, 'out')), ['disk.img'])
})

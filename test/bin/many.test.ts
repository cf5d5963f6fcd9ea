import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { shell, start, startReceiver } from '../fixtures/commands.js'
import { filesIn, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.test('16 senders of one name at once: each is stored whole, under a name of its own', async (t) => {
  const folder = t.testdir()
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, ['--json', '--count', '16', '--out', out])
  const script = `
    for number in {1..16}; do
      (echo "content $number" | $SEND --quiet --name same.txt - 127.0.0.1 $PORT; echo "$?") &
    done
    wait`
  const { code, stdout, stderr } = await shell(t, script, { PORT: receiver.port }).done
  t.equal(code, 0)
  t.equal(stdout, '0\n'.repeat(16))
  t.equal(stderr, '')
  const received = await receiver.done
  t.equal(received.code, 0)
  const events = readEvents(t, received.stdout)
  t.equal(only(events, 'done').files, 16)
  const transfers = new Set(events.flatMap((event) => (event.event === 'stored' ? [event.transfer] : [])))
  t.equal(transfers.size, 16)
  const expected = Array.from({ length: 16 }, (_, index) => `content ${index + 1}\n`)
  t.same(Object.values(filesIn(out)).toSorted(), expected.toSorted())
  const names = Array.from({ length: 15 }, (_, index) => `same_bak${index === 0 ? '' : index + 1}.txt`)
  t.same(namesIn(out), ['same.txt', ...names].toSorted())
})

t.test('many files go over one connection, each told when it is safe', async (t) => {
  const names = Array.from({ length: 500 }, (_, index) => `file${index}`)
  const folder = t.testdir(Object.fromEntries(names.map((name) => [name, name])))
  const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder })
  const args = ['--json', ...names, '127.0.0.1', receiver.port]
  const sent = await start(t, 'tcp-send', args, { cwd: folder }).done
  t.equal(sent.code, 0)
  t.match(only(readEvents(t, sent.stdout), 'done'), { files: 500, bytes: names.join('').length })
  t.equal((await receiver.done).stdout, names.map((name) => `out/${name}\n`).join(''))
  for (const name of ['file0', 'file499']) t.equal(readFileSync(join(folder, 'out', name), 'utf8'), name)
})

import t from 'tap'
import { digest, machineId } from '../../dist/disk/machine-id.js'
import { failDuring } from '../fixtures/disk.ts'
import { setMachineId, THIS_MACHINE } from '../fixtures/machine.ts'

t.test('names this machine without its id, always the same, and others differently', async (t) => {
  setMachineId(t)
  const one = await machineId()
  t.match(one, /^[0-9a-f]{32}$/)
  t.equal(await machineId(), one)
  t.not(one, THIS_MACHINE, 'the id is confidential')
  setMachineId(t, THIS_MACHINE.replace('0', '1'))
  t.not(await machineId(), one)
})

t.test('has no name for a machine without an id', async (t) => {
  for (const id of [null, '', 'uninitialized', THIS_MACHINE.slice(1)]) {
    await t.test(String(id), async (t) => {
      setMachineId(t, id)
      t.equal(await machineId(), '')
    })
  }
  failDuring(t, { call: 'readFile', code: 'EMFILE', occurrence: 0 })
  t.equal(await machineId(), '')
})

t.test('keeps words apart', async (t) => {
  t.match(digest('a'), /^[0-9a-f]{32}$/)
  t.not(digest('a', 'b'), digest('ab'))
  t.not(digest('a', 'b'), digest('b', 'a'))
  t.equal(digest('a', 1), digest('a', '1'))
})

/** The program of `--exec`, before anything has come. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkProgram, shellWarning } from '../../dist/cli/exec-program.js'
import { usageError } from '../fixtures/usage.js'

t.test('finds a program by its path and on the PATH, and says what is wrong with another', async (t) => {
  const folder = t.testdir({ bin: {}, 'plain.sh': '', dir: {} })
  for (const path of ['here', 'bin/there']) writeFileSync(join(folder, path), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(folder, 'bin/plain'), '')
  mkdirSync(join(folder, 'bin/folder'))
  chmodSync(join(folder, 'bin/plain'), 0o644)
  const [before, { PATH }] = [process.cwd(), process.env]
  process.chdir(folder)
  process.env.PATH = `${join(folder, 'missing')}:${join(folder, 'bin')}`
  t.teardown(() => {
    process.chdir(before)
    process.env.PATH = PATH
  })
  for (const program of ['./here', join(folder, 'here'), 'there', 'bin/there']) {
    t.doesNotThrow(() => checkProgram(program), program)
  }
  const table: [program: string, message: string][] = [
    ['here', 'there is no here on the PATH; the one in this folder is ./here'],
    ['nowhere', 'there is no nowhere on the PATH'],
    ['./nowhere', './nowhere does not exist'],
    ['./dir', './dir is a directory, not a program'],
    ['./plain.sh', './plain.sh is not executable; run chmod +x ./plain.sh'],
    ['plain', `${folder}/bin/plain is not executable; run chmod +x ${folder}/bin/plain`],
    ['folder', `${folder}/bin/folder is a directory, not a program`],
  ]
  for (const [program, message] of table) {
    t.equal(await usageError(() => checkProgram(program)), `--exec: ${message}`)
  }
  process.env.PATH = ''
  t.doesNotThrow(() => checkProgram('here'), 'an empty part of the PATH is the working directory')
  delete process.env.PATH
  t.doesNotThrow(() => checkProgram('sh'), 'without a PATH there is the one of the system')
})

t.test('warns of what only a shell would act upon', async (t) => {
  const table: [command: string, found: string][] = [
    ['make && ./deploy', '&&'],
    ['a || b', '|'],
    ['a | b', '|'],
    ['a; b', ';'],
    ['a > b', '>'],
    ['a < b', '<'],
    ['a $HOME', '$HOME'],
    [`a $${'{HOME}'}`, `$${'{HOME'}`],
    ['a $(b)', '$(b'],
    ['a `b`', '`'],
    ['rm *.txt', '*'],
    [`a 'b' "c" && d`, '&&'],
  ]
  for (const [command, found] of table) {
    const message = `--exec uses no shell, so ${found} is passed to the program unchanged; for a shell: --exec "sh -c '…'"`
    t.equal(shellWarning(command), message)
  }
  const quiet = [
    './deploy.sh',
    'a -b --c=d',
    `sh -c 'a && b | c > $D'`,
    `sh -c "rm *.txt; echo \`x\`"`,
    'a 5$ b&c?d',
    '',
  ]
  for (const command of quiet) t.equal(shellWarning(command), null, command)
})

import { readFileSync } from 'node:fs'
import t from 'tap'
import { chatCommandLine } from '../../dist/cli/chat-command-line.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'
import { exitCodes } from '../../dist/errors.js'
import { runCommand, shell } from '../fixtures/commands.js'

const lines = { 'tcp-send': sendCommandLine, 'tcp-recv': receiveCommandLine, 'tcp-chat': chatCommandLine } as const

for (const name of ['tcp-send', 'tcp-recv', 'tcp-chat'] as const) {
  t.test(`${name} --help names every option and every exit status, in at most 100 columns`, async (t) => {
    const { code, stdout, stderr } = await runCommand(t, name, ['--help'], { covered: true })
    t.equal(code, 0)
    t.equal(stderr, '')
    for (const [option, { short, describe }] of Object.entries(lines[name].options)) {
      t.match(stdout, new RegExp(`^ +${short ? `-${short}, ` : ''}--${option} `, 'm'), option)
      const [firstWords = ''] = describe.split(/[,;:(]/)
      t.ok(stdout.replace(/\s+/g, ' ').includes(firstWords), firstWords)
    }
    for (const status of Object.values(exitCodes)) {
      // A talk compares no digests, and runs no --exec command.
      if (name !== 'tcp-chat' || ![7, 10].includes(status))
        t.match(stdout.replace(/\s+/g, ' '), new RegExp(`[:;] ${status} `), `status ${status}`)
    }
    for (const line of stdout.split('\n')) {
      t.ok(line.length <= 100, line)
      t.match(line, /^[ -~]*$/, 'it is ASCII')
    }
    t.match(stdout, 'Examples:')
    t.notMatch(stdout, /\$0|\[(string|boolean|array)\]|undefined/)
  })

  t.test(`${name} --version tells the version of the package`, async (t) => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    const { code, stdout, stderr } = await runCommand(t, name, ['--version'])
    t.same({ code, stdout, stderr }, { code: 0, stdout: `${version}\n`, stderr: '' })
  })

  t.test(`eval "$(${name} --completion bash)" completes the command`, async (t) => {
    const command = { 'tcp-send': '$SEND', 'tcp-recv': '$RECV', 'tcp-chat': '$CHAT' }[name]
    const script = `eval "$(${command} --completion bash)"; complete -p ${name}`
    const { code, stdout, stderr } = await shell(t, script, {}, { covered: true }).done
    t.same({ code, stderr }, { code: 0, stderr: '' })
    t.match(stdout, new RegExp(`^complete .*-F _${name.replace('-', '_')} ${name}\n$`))
  })
}

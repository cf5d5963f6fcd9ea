/** The start of the single executable: by its name it is one of the commands. */
import { basename } from 'node:path'

const commands = {
  'tcp-chat': async () => (await import('../../dist/cli/chat-command.js')).chatCommand,
  'tcp-recv': async () => (await import('../../dist/cli/receive-command.js')).receiveCommand,
  'tcp-send': async () => (await import('../../dist/cli/send-command.js')).sendCommand,
}

const called = basename(process.argv0)
const [, load = commands['tcp-send']] = Object.entries(commands).find(([name]) => called.startsWith(name)) ?? []

// A promise that never settles is a bug. Node.js then exits with this status instead of 0.
process.exitCode = 1
load()
  .then((run) => run(process.argv.slice(2)))
  .then((status) => {
    process.exitCode = status
  })

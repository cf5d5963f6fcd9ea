import t from 'tap'
import { help } from '../../dist/cli/help.js'

const line = {
  command: 'tcp-try',
  purpose: 'try things',
  usage: ['[options] PATH...', '[options] -   (standard input)'],
  options: {
    name: { value: 'NAME', describe: 'The name to offer' },
    quiet: { short: 'q', describe: 'Print only what went wrong' },
    accept: { value: 'TYPE', many: true, describe: 'Take only this MIME type' },
    'max-size': { value: 'SIZE', fallback: 'unlimited', describe: 'The most bytes' },
    help: { short: 'h', describe: 'Show this help' },
    version: { short: 'V', describe: 'Show the version' },
  },
  examples: [['tcp-try file.txt', 'Try a file']] as [string, string][],
  epilogue: 'Exit status: 0 tried.',
}

t.test('lays out what the command line is', async (t) => {
  const text = await help(line)
  for (const part of [
    /^tcp-try \[options\] PATH\.\.\.$/m,
    /^tcp-try \[options\] - {3}\(standard input\)$/m,
    /^ +--name +The name to offer$/m,
    /^ +-q, --quiet +Print only what went wrong$/m,
    /^ +--max-size +The most bytes \(default: unlimited\)$/m,
    /^ +-h, --help +Show this help$/m,
    /^ +-V, --version +Show the version$/m,
    /^ +tcp-try file\.txt +Try a file$/m,
    /^Exit status: 0 tried\.$/m,
  ]) {
    t.match(text, part)
  }
  t.notMatch(text, /\[(string|boolean|array)\]/)
})

t.test('speaks English whatever the language of the machine is', async (t) => {
  const { LC_ALL } = process.env
  process.env.LC_ALL = 'de_DE.UTF-8'
  t.teardown(() => {
    if (LC_ALL === undefined) delete process.env.LC_ALL
    else process.env.LC_ALL = LC_ALL
  })
  t.match(await help(line), 'Options:')
})

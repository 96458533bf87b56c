// Compiles lib/ into dist/ and gives every entry of the package its CommonJS side:
//   X.cjs    requires the one ES module, so a class is the same by import and by require;
//   X.d.cts  its types in one file, since types for require() may not import those of an ES module.
// The run also writes etc/*.api.md, the public surface in words: a change there is a change of the
// contract, so the reports are committed and CI compares them.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const entries = { index: 'nvml-mig', 'simulator/index': 'nvml-mig-simulator', 'layout/index': 'nvml-mig-layout' }

/** Where the new dist/ grows; it takes the old one's place whole, so nobody meets a half of it. */
const fresh = join(root, 'temp/dist')

function compile() {
  const tsc = require.resolve('typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], { cwd: root, stdio: 'inherit' })
  chmodSync(join(fresh, 'cli/main.js'), 0o755)
}

function extract(entry, report) {
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(fresh, `${entry}.d.ts`),
      compiler: { tsconfigFilePath: join(root, 'tsconfig.build.json') },
      apiReport: {
        enabled: true,
        reportFileName: `${report}.api.md`,
        reportFolder: join(root, 'etc'),
        reportTempFolder: join(root, 'temp')
      },
      dtsRollup: { enabled: true, untrimmedFilePath: join(fresh, `${entry}.rollup.d.ts`) },
      docModel: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        // A type that callers meet but cannot import by name is a hole in the surface.
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.Error },
          'ae-missing-release-tag': { logLevel: ExtractorLogLevel.None },
          'ae-undocumented': { logLevel: ExtractorLogLevel.None },
          'ae-unresolved-link': { logLevel: ExtractorLogLevel.None }
        },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } }
      }
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json')
  })
  const result = Extractor.invoke(config, {
    localBuild: true,
    typescriptCompilerFolder: dirname(require.resolve('typescript/package.json')),
    messageCallback: message => {
      // Its own TypeScript is a release behind ours and it says so each time.
      if (message.messageId === 'console-compiler-version-notice' || message.messageId === 'console-preamble')
        message.handled = true
      if (message.logLevel === ExtractorLogLevel.Verbose) message.handled = true
    }
  })
  if (!result.succeeded) throw new Error(`the public surface of ${entry} has errors (see above)`)
  renameSync(join(fresh, `${entry}.rollup.d.ts`), join(fresh, `${entry}.d.cts`))
  writeFileSync(join(fresh, `${entry}.cjs`), `module.exports = require('./${entry.split('/').at(-1)}.js')\n`)
}

/** The reports of api-extractor name no path of this machine; a guard, since they are committed. */
function refuseMachinePaths() {
  for (const report of Object.values(entries)) {
    if (readFileSync(join(root, `etc/${report}.api.md`), 'utf8').includes(root))
      throw new Error(`etc/${report}.api.md names ${root}`)
  }
}

rmSync(fresh, { recursive: true, force: true })
mkdirSync(join(root, 'etc'), { recursive: true })
compile()
for (const [entry, report] of Object.entries(entries)) extract(entry, report)
refuseMachinePaths()
rmSync(join(root, 'temp/old'), { recursive: true, force: true })
try {
  renameSync(join(root, 'dist'), join(root, 'temp/old'))
} catch (error) {
  if (error.code !== 'ENOENT') throw error
}
renameSync(fresh, join(root, 'dist'))
rmSync(join(root, 'temp/old'), { recursive: true, force: true })

"""A contract for import-linter: files of a feature that are nobody else's business."""

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PrivateFilesContract(Contract):
    """A feature's private files are imported inside the feature, and by its module's manifest.

    import-linter's own contracts would need one list per feature; here a new feature is covered
    from its first file.

    Options:
        features: Pattern of the features' packages: ``paifang.modules.*.*``.
        private: Names of the files.
        manifest: Name of the file, beside the features, that may import them.
    """

    type_name = "private_files"

    features = fields.StringField()
    private = fields.ListField(subfield=fields.StringField())
    manifest = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's signature
        """Find imports of private files from outside."""
        broken: list[str] = []
        for name in cast("list[str]", self.private):
            for file in graph.find_matching_modules(f"{cast('str', self.features)}.{name}"):
                feature = file.rpartition(".")[0]
                manifest = f"{feature.rpartition('.')[0]}.{cast('str', self.manifest)}"
                # The file may be a package: then its parts are as private.
                for part in {file, *graph.find_descendants(file)}:
                    broken += [
                        f"{importer} imports {part}"
                        for importer in graph.find_modules_that_directly_import(part)
                        if importer != manifest and not importer.startswith(f"{feature}.")
                    ]
        return ContractCheck(kept=not broken, metadata={"broken": sorted(broken)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say which import it is and what to import instead."""
        for line in cast("list[str]", check.metadata["broken"]):
            output.print_error(f"- {line}", bold=False)
        output.print("Another feature sees only service, models, errors and events.")
